# The studio and its REST service, with the model inside.
#
#   docker build -t koalarize .
#   docker run --rm -p 127.0.0.1:8765:8765 koalarize
#
# Inside a container the service listens on every address, so it asks for a token: it prints one, or
# takes yours with -e KOALARIZE_TOKEN=...
#
# It is built without the extra `video`: the wheels of PyAV hold GPL parts, see NOTICE.

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN python -m venv /opt/koalarize \
 && /opt/koalarize/bin/pip install --no-cache-dir .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="koalarize" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/koalarize /opt/koalarize
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin koalarize
USER 10001
ENV PATH=/opt/koalarize/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/api/v1/health', timeout=4)"]
ENTRYPOINT ["koalarize"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8765", "--no-browser"]
