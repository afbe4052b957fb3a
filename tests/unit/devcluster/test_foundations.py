"""Keys, paths, programs and volumes of a cluster, without a cluster."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from devcluster import binaries, build
from devcluster.certificates import Authority, Identity
from devcluster.layout import LOOPBACK, Layout, State
from devcluster.node.addresses import Addresses
from devcluster.node.volumes import File, write_files

HOLDER = """
import sys
from pathlib import Path
from devcluster.layout import Layout
with Layout(Path(sys.argv[1])).lock() as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def test_a_certificate_names_user_groups_and_addresses_and_is_signed_by_the_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("api", Identity("api", ("system:masters",), ("127.0.0.1", "localhost")))
    root, leaf = (x509.load_pem_x509_certificate(each.certificate.read_bytes()) for each in (authority.pair, pair))
    leaf.verify_directly_issued_by(root)
    assert leaf.subject.rfc4514_string() == "CN=api,O=system:masters"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_keys_are_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    first = Authority(tmp_path).issue("admin", Identity("admin"))
    content = first.key.read_bytes()
    assert Authority(tmp_path).issue("admin", Identity("admin")).key.read_bytes() == content
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in tmp_path.glob("*.key"))


def test_ports_are_kept_while_they_are_free(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ports = layout.ports()
    assert layout.ports() == ports
    with socket.create_server((LOOPBACK, ports.api)):
        assert layout.ports() != ports


def test_the_lock_tells_who_runs_and_ends_with_its_holder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert layout.is_running()
        holder.kill()
    assert not layout.is_running()


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert layout.read_state() is None
    layout.write_state(State("ready", 7, processes={"etcd": 8}))
    assert layout.read_state() == State("ready", 7, processes={"etcd": 8})


def test_a_volume_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": File(b"1"), "deep/b": File(b"2", 0o400)})
    write_files(tmp_path, {"a": File(b"3")})
    assert (tmp_path / "a").read_bytes() == b"3"
    assert not (tmp_path / "deep").exists()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("..")] == ["a"]


def test_two_clusters_never_give_the_same_address() -> None:
    first, second = Addresses(), Addresses()
    try:
        assert not {first.take() for _ in range(300)} & {second.take() for _ in range(300)}
    finally:
        first.close()
        second.close()


def test_a_pod_gets_the_address_back_that_it_had() -> None:
    earlier, later = Addresses(), Addresses()
    address = earlier.take()
    earlier.close()
    try:
        assert later.take(address) == address
        assert later.take(address) != address
    finally:
        later.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    folder = binaries.cache_directory() / binaries.source_digest()
    folder.mkdir(parents=True)
    (folder / build.PROGRAM).touch()
    return folder


def test_the_programs_are_names_of_the_one_in_the_cache(cache: Path) -> None:
    found = binaries.find()
    assert found.helm == cache / "helm"
    assert found.helm.readlink() == Path(build.PROGRAM)


def test_assets_of_envtest_come_first(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "etcd").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    found = binaries.find()
    assert (found.etcd, found.kube_scheduler) == (assets / "etcd", cache / "kube-scheduler")


def test_a_go_on_path_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, wheel = tmp_path / "bin" / "go", tmp_path / "cache" / "go" / "go" / "bin" / "go"
    for program, version in ((old, "go1.19"), (wheel, "go1.99.1")):
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/bin:/usr/bin")
    said: list[str] = []
    assert build.find_go(tmp_path / "cache", said.append) == str(wheel)
    assert build.go_version(str(wheel)) > build.required_go()
    assert not said
