"""The programs of the control plane and the flags that they are started with."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import yaml

from devcluster.binaries import Binaries
from devcluster.certificates import Authority, Identity, Pair
from devcluster.layout import LOOPBACK, Layout, Ports, write_atomically

NODE = "devcluster"
ISSUER = "https://kubernetes.default.svc.cluster.local"
SERVICE_RANGE = "10.0.0.0/24"
# What a client may call the API server: its address, and the names that it has inside other clusters.
_API_NAMES = (LOOPBACK, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.0.0.1")

# Health is for anyone to ask; everything else needs a name.
_AUTHENTICATION = {
    "apiVersion": "apiserver.config.k8s.io/v1beta1",
    "kind": "AuthenticationConfiguration",
    "anonymous": {"enabled": True, "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")]},
}

# What service accounts ask for, but for the control plane's own: which rights a Role must give can be read there.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
_AUDIT_MEGABYTES = 100  # of the log before it is rotated; some 100,000 requests


@dataclass(frozen=True)
class Component:
    """A program of the control plane."""

    name: str
    argv: list[str]


@dataclass(frozen=True)
class Credentials:
    """Every key of the cluster."""

    authority: Pair
    api: Pair
    etcd: Pair
    tokens: Pair
    kubelet_client: Pair
    admin: Pair
    controller_manager: Pair
    scheduler: Pair
    node: Pair


def create_credentials(layout: Layout) -> Credentials:
    """Make the keys of a cluster, or find those of its last run."""
    authority = Authority(layout.keys)
    return Credentials(
        authority=authority.pair,
        api=authority.issue("kube-apiserver", Identity("kube-apiserver", addresses=_API_NAMES)),
        etcd=authority.issue("etcd", Identity("etcd", addresses=(LOOPBACK, "localhost"))),
        tokens=authority.signing_key("service-accounts"),
        kubelet_client=authority.issue("kubelet-client", Identity("devcluster:kubelet-client", ("system:masters",))),
        admin=authority.issue("admin", Identity("devcluster:admin", ("system:masters",))),
        controller_manager=authority.issue("controller-manager", Identity("system:kube-controller-manager")),
        scheduler=authority.issue("scheduler", Identity("system:kube-scheduler")),
        node=authority.issue("node", Identity(f"system:node:{NODE}", ("system:nodes",), (LOOPBACK, NODE))),
    )


def server_url(ports: Ports) -> str:
    """Give the address of the API server."""
    return f"https://{LOOPBACK}:{ports.api}"


def write_kubeconfig(file: Path, ports: Ports, authority: Pair, client: Pair) -> Path:
    """Write a kubeconfig that needs no other file."""
    cluster = {"server": server_url(ports), "certificate-authority-data": _base64(authority.certificate)}
    user = {"client-certificate-data": _base64(client.certificate), "client-key-data": _base64(client.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "devcluster",
        "clusters": [{"name": "devcluster", "cluster": cluster}],
        "users": [{"name": "devcluster", "user": user}],
        "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": "devcluster"}}],
    }
    write_atomically(file, yaml.safe_dump(content).encode())
    return file


def _base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def etcd(binaries: Binaries, layout: Layout, ports: Ports, keys: Credentials) -> Component:
    """Build the command line of etcd: one member, TLS for clients and peers, no fsync."""
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.etcd_peer}"
    flags = {
        "name": "devcluster",
        "data-dir": layout.etcd,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"devcluster={peer}",
        "cert-file": keys.etcd.certificate,
        "key-file": keys.etcd.key,
        "client-cert-auth": "true",
        "trusted-ca-file": keys.authority.certificate,
        "peer-cert-file": keys.etcd.certificate,
        "peer-key-file": keys.etcd.key,
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": keys.authority.certificate,
        # Survives the death of every process; only a crash of the machine can lose the last writes.
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    return Component("etcd", _command(binaries.etcd, flags))


def api_server(binaries: Binaries, layout: Layout, ports: Ports, keys: Credentials) -> Component:
    """Build the command line of the API server: loopback only, Node and RBAC authorization."""
    authentication = layout.keys / "authentication.yaml"
    write_atomically(authentication, yaml.safe_dump(_AUTHENTICATION).encode())
    audit = layout.keys / "audit-policy.yaml"
    write_atomically(audit, yaml.safe_dump(_AUDIT).encode())
    flags = {
        "bind-address": LOOPBACK,
        "advertise-address": LOOPBACK,
        "secure-port": ports.api,
        # The `kubernetes` Service cannot have a loopback address behind it; there is no Service network anyway.
        "endpoint-reconciler-type": "none",
        "etcd-servers": f"https://{LOOPBACK}:{ports.etcd}",
        "etcd-cafile": keys.authority.certificate,
        "etcd-certfile": keys.etcd.certificate,
        "etcd-keyfile": keys.etcd.key,
        "cert-dir": layout.keys,
        "tls-cert-file": keys.api.certificate,
        "tls-private-key-file": keys.api.key,
        "client-ca-file": keys.authority.certificate,
        "authentication-config": authentication,
        "authorization-mode": "Node,RBAC",
        "audit-policy-file": audit,
        "audit-log-path": layout.log("audit"),
        "audit-log-maxsize": _AUDIT_MEGABYTES,
        "audit-log-maxbackup": 1,
        "service-account-issuer": ISSUER,
        "service-account-key-file": keys.tokens.certificate,
        "service-account-signing-key-file": keys.tokens.key,
        "service-cluster-ip-range": SERVICE_RANGE,
        "kubelet-certificate-authority": keys.authority.certificate,
        "kubelet-client-certificate": keys.kubelet_client.certificate,
        "kubelet-client-key": keys.kubelet_client.key,
        "kubelet-preferred-address-types": "InternalIP",
        "allow-privileged": "true",
        "profiling": "false",
    }
    return Component("kube-apiserver", _command(binaries.kube_apiserver, flags))


def controller_manager(binaries: Binaries, layout: Layout, ports: Ports, keys: Credentials) -> Component:
    """Build the command line of the controller manager, each controller with its own service account."""
    kubeconfig = write_kubeconfig(
        layout.keys / "controller-manager.kubeconfig", ports, keys.authority, keys.controller_manager
    )
    flags = {
        **_client_flags(kubeconfig, layout, ports.controller_manager),
        "root-ca-file": keys.authority.certificate,
        "service-account-private-key-file": keys.tokens.key,
        "use-service-account-credentials": "true",
    }
    return Component("kube-controller-manager", _command(binaries.kube_controller_manager, flags))


def scheduler(binaries: Binaries, layout: Layout, ports: Ports, keys: Credentials) -> Component:
    """Build the command line of the scheduler."""
    kubeconfig = write_kubeconfig(layout.keys / "scheduler.kubeconfig", ports, keys.authority, keys.scheduler)
    return Component(
        "kube-scheduler", _command(binaries.kube_scheduler, _client_flags(kubeconfig, layout, ports.scheduler))
    )


def _client_flags(kubeconfig: Path, layout: Layout, port: int) -> dict[str, object]:
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": LOOPBACK,
        "secure-port": port,
        "cert-dir": layout.keys / "serving",
        # There is one of each, and a lease left by a killed one would keep the next waiting for 15 s.
        "leader-elect": "false",
        # Requests a second and at once: the defaults are there to spare an API server that many share, and cost
        # seconds at every start.
        "kube-api-qps": 300,
        "kube-api-burst": 600,
        "profiling": "false",
    }


def _command(program: Path, flags: dict[str, object]) -> list[str]:
    return [str(program), *(f"--{name}={value}" for name, value in flags.items())]
