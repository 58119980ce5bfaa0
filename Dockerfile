# The desk in one container: watcher, loop and MCP server under supervisord, as nobody in particular, data in /data.
# Secrets come when it is started (compose.yaml, --env-file), never while it is built.

FROM python:3.12-slim AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE trade-mcp.example.toml ./
RUN uv sync --frozen --no-dev --extra charts --no-install-project
COPY alembic ./alembic
COPY trade_mcp ./trade_mcp
RUN uv sync --frozen --no-dev --extra charts --no-editable

FROM python:3.12-slim
RUN useradd --uid 10001 --home-dir /data --no-create-home trade && install --directory --owner trade --mode 700 /data
COPY --from=build /app/.venv /app/.venv
COPY supervisord.conf /app/supervisord.conf
ENV PATH=/app/.venv/bin:$PATH HOME=/data MPLCONFIGDIR=/tmp TRADE_MCP_DESK__DATA_DIR=/data TRADE_MCP_SERVER__HOST=0.0.0.0
USER trade
WORKDIR /data
VOLUME /data
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=8)"]
STOPSIGNAL SIGTERM
CMD ["supervisord", "-c", "/app/supervisord.conf", "--pidfile", "/tmp/supervisord.pid"]
