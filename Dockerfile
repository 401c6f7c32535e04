# The studio and its REST service, with the model inside.
#
#   docker build -t koalarize .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8765:8765 koalarize
#
# Photos lie in /tmp, which is memory here and gone with the container. Inside a container the service
# listens on every address, so it asks for a token: it prints one, or takes yours with -e
# KOALARIZE_TOKEN=... Another port: -e KOALARIZE_PORT=8080.
#
# docker/*.txt lock every package by its hash; docs/studio.md says how they are made, and when to take a
# newer digest of the base: `docker buildx imagetools inspect python:3.12-slim-bookworm` prints it.

ARG BASE=python:3.12-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254

FROM ${BASE} AS build
# For the arithmetic of a pixel; without a compiler NumPy does it, in some five times the time.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /source
COPY docker ./docker
RUN python -m venv /opt/koalarize \
 && /opt/koalarize/bin/pip install --no-cache-dir --require-hashes -r docker/requirements.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r docker/build.txt
COPY pyproject.toml build_kernel.py README.md LICENSE NOTICE ./
COPY src ./src
RUN /opt/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps -w /wheel . \
 && /opt/koalarize/bin/pip install --no-cache-dir --no-deps /wheel/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="koalarize" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin koalarize
COPY --from=build /opt/koalarize /opt/koalarize
USER 10001
ENV PATH=/opt/koalarize/bin:$PATH \
    KOALARIZE_PORT=8765 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"KOALARIZE_PORT\"]}/api/v1/health', timeout=4)"]
ENTRYPOINT ["koalarize"]
CMD ["serve", "--host", "0.0.0.0", "--no-browser", "--patience", "7"]
