# Two stages: one that builds, with what building needs; one that runs, with the gateway and nothing else.
#   docker build -t weft .
#   docker run --read-only --cap-drop ALL -p 8080:8080 -e WEFT_UPSTREAM__URL=http://origin:8000 weft
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN python -m venv --without-pip /weft
# The versions that the tests ran with. Their own layer: it changes less often than the code.
COPY locks/base.txt locks/
RUN pip --python /weft install -r locks/base.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY fragments fragments
COPY profiles profiles
RUN pip wheel --no-deps --wheel-dir /wheels . \
 && pip --python /weft install --no-deps /wheels/*.whl \
 && /weft/bin/python -m compileall -q /weft/lib

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="Weft" \
      org.opencontainers.image.description="An edge cache and personalisation gateway" \
      org.opencontainers.image.licenses="MIT"
# Everything is compiled above, so that the root file system can be read-only.
ENV PATH=/weft/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WEFT_SERVER__HOST=0.0.0.0 \
    WEFT_SERVER__PORT=8080
RUN groupadd --system --gid 10001 weft \
 && useradd --system --uid 10001 --gid weft --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin weft
COPY --from=build /weft /weft
USER 10001:10001
# An image whose gateway would not start is not built.
RUN WEFT_UPSTREAM__URL=http://origin.internal:8000 weft check
EXPOSE 8080
# Asked without imports, twice as cheap as with them. A gateway with server.tls needs another: this one speaks plain HTTP.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["python", "-ISc", "import os, socket; s = socket.create_connection(('127.0.0.1', int(os.environ['WEFT_SERVER__PORT'])), 2); s.sendall(b'GET /_weft/health/live HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'); raise SystemExit(not s.recv(64).startswith(b'HTTP/1.1 200 '))"]
# Weft drains on SIGTERM; give it as long as server.drain_delay and server.drain_timeout together, and 5 s: docker stop --time 30.
STOPSIGNAL SIGTERM
ENTRYPOINT ["weft"]
CMD ["serve"]
