# docker build --target cpu  -t imagegen .
# docker build --target cuda -t imagegen:cuda .
#
# Building needs package indexes; running needs no network at all. Plain pip brings PyTorch's CUDA build even into the CPU image,
# which works and is several gigabytes larger than need be; --build-arg PIP_INDEX_URL=<an index that has CPU builds> avoids it.

ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS base
ENV PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/imagegen/bin:$PATH

FROM base AS sources
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1 VENV=/opt/imagegen EDITABLE=
WORKDIR /src
COPY Makefile requirements.lock ./

FROM sources AS build-cpu
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL
ARG TORCH=2.13.0
RUN make requirements TORCH=${TORCH}
COPY . .
RUN make install TORCH=${TORCH} && python -m compileall -q -j 0 ${VENV}/lib

FROM sources AS build-cuda
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL
ARG TORCH=2.13.0
RUN make requirements TORCH=${TORCH} GPU=1
COPY . .
RUN make install TORCH=${TORCH} GPU=1 && python -m compileall -q -j 0 ${VENV}/lib

FROM base AS run
RUN useradd --uid 10001 --create-home --home-dir /data imagegen
# Listening on every address of the container is refused without IMAGEGEN_API_KEYS (comma-separated).
ENV HOME=/data \
    IMAGEGEN_DATA_DIR=/data/imagegen \
    IMAGEGEN_HOST=0.0.0.0 \
    IMAGEGEN_PORT=8484
VOLUME /data
EXPOSE 8484
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8484/healthz', timeout=4)"]
CMD ["imagegen", "serve"]

FROM run AS cuda
# Triton compiles a small launcher with the system's C compiler the first time a kernel runs.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY --from=build-cuda /opt/imagegen /opt/imagegen
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    IMAGEGEN_DEVICE=cuda
USER imagegen

FROM run AS cpu
COPY --from=build-cpu /opt/imagegen /opt/imagegen
ENV IMAGEGEN_DEVICE=cpu
USER imagegen
