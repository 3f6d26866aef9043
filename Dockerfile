# The service alone; Postgres and Redis are elsewhere:
#
#   docker build --tag token-discovery .
#   docker run --env DATABASE_URL=... --env REDIS_URL=... --publish 8080:8080 token-discovery
#
# Everything installed is checked against the hashes of the lock files.

ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# First what changes seldom, so that a change of the source does not install it again.
COPY requirements.lock requirements-service.lock ./
RUN python -m venv /opt/token-discovery \
    && /opt/token-discovery/bin/pip install --require-hashes --requirement requirements-service.lock
# Of the larger lock the build needs setuptools, and what writes the bill of materials.
RUN awk '/^[a-z]/ { keep = /^(setuptools|cyclonedx-python-lib|boolean-py|defusedxml|license-expression|packageurl-python|py-serializable|sortedcontainers|typing-extensions)==/ } keep' requirements.lock > build.lock \
    && python -m venv /build/tools \
    && /build/tools/bin/pip install --require-hashes --requirement build.lock

COPY . .
RUN /build/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && /opt/token-discovery/bin/pip install --no-deps wheels/*.whl \
    && /opt/token-discovery/bin/pip uninstall --yes pip
RUN /build/tools/bin/python deploy/sbom.py --site-packages /opt/token-discovery/lib/python3.*/site-packages \
    > /opt/token-discovery/token-discovery.cdx.json
# So that `python -m supervisor` works here as in a checkout; nothing else shares this environment.
RUN cd "$(/opt/token-discovery/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && echo token_discovery/rooms > token_discovery.pth

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/token-discovery /opt/token-discovery
ENV PATH=/opt/token-discovery/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=::
# Coins' pictures; mount a volume here to keep them when the container is replaced. A tmpfs over it
# belongs to root and takes the mode of this directory, so anybody may write there.
RUN install --directory --mode 1777 --owner 10001 --group 10001 /var/cache/token-discovery
ENV TOKEN_DISCOVERY__IMAGES__DIRECTORY=/var/cache/token-discovery
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080

# SIGTERM drains; the service's own deadline of 8 s lies within Docker's 10 s.
STOPSIGNAL SIGTERM
# Asks where the settings of the environment let the service listen, and no proxy of it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=40s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; e = os.environ.get; h = (e('TOKEN_DISCOVERY__GATEWAY__HOST') or e('HOST') or '::').strip('[]'); h = {'::': '127.0.0.1', '0.0.0.0': '127.0.0.1'}.get(h, h); p = e('TOKEN_DISCOVERY__GATEWAY__PORT') or e('PORT') or '8080'; r.build_opener(r.ProxyHandler({})).open('http://' + ('[' + h + ']' if ':' in h else h) + ':' + p + '/livez', timeout=4)"]
ENTRYPOINT ["token-discovery", "run"]
