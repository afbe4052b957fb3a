# One image for the operator and its workers. The classic builder and BuildKit both build it.
# A tag can be moved to another image: a release names its base by digest, --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /source
COPY requirements-uv.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-uv.lock \
    && uv venv /opt/twin-operator
# Dependencies first: this layer stays while only the operator's own code changes.
COPY requirements-runtime.lock ./
RUN uv pip sync --python /opt/twin-operator/bin/python --require-hashes --compile-bytecode requirements-runtime.lock
# The build backend comes from the developers' lock file, by hash like everything else.
COPY requirements.lock pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY operator operator
RUN uv build --wheel --require-hashes --build-constraints requirements.lock \
    && uv pip install --python /opt/twin-operator/bin/python --no-deps --compile-bytecode dist/*.whl

FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
LABEL org.opencontainers.image.title="twin-operator" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.description="Digital twins of populations as Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/twin-operator /opt/twin-operator
# Native libraries would start a thread per core of the node, not of the container. Some ask who runs them, and the
# number below has no name in the image.
ENV PATH=/opt/twin-operator/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    LOGNAME=twin-operator \
    HOME=/tmp
# A number, so that `runAsNonRoot` can be checked without the image's user table.
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["twin-operator"]
