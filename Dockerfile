# The service: API and worker are the same image, started with different commands.
FROM python:3.11-slim AS build
# Where to find a torch without CUDA, for a smaller image: the address of PyTorch's CPU index.
ARG TORCH_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CACHE_DIR=/pip-cache
WORKDIR /source
RUN python -m venv /opt/softmax-advisor
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY advisor advisor
COPY profiler profiler
COPY store store
COPY api api
RUN --mount=type=cache,target=/pip-cache \
    /opt/softmax-advisor/bin/python -m pip install -c constraints.txt \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home advisor \
    && install -d -o advisor -g advisor /data
COPY --from=build /opt/softmax-advisor /opt/softmax-advisor
ENV PATH=/opt/softmax-advisor/bin:$PATH \
    PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 \
    ADVISOR_DATA_DIR=/data
USER advisor
WORKDIR /data
EXPOSE 8000
# It lets nobody in without a key, and does not start before there is one: docs/security.md.
CMD ["softmax-advisor", "serve", "--host", "0.0.0.0", "--port", "8000"]
