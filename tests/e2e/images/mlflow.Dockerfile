# The chart's MLflow for machines that build their images: the version that the developers' lock names, with the driver
# of PostgreSQL, as the public image with the suffix -full has them.
FROM python:3.13-slim
ARG MLFLOW_VERSION
RUN pip install --no-cache-dir --disable-pip-version-check "mlflow==${MLFLOW_VERSION}" "psycopg2-binary>=2.9"
USER 10001:10001
