# The trainer on GPUs, through OpenRLHF. Build from the repository's root, on the devel variant of a CUDA image with torch:
# DeepSpeed compiles its kernels when it first runs, so a compiler has to be there.
ARG CUDA_IMAGE=pytorch/pytorch:2.13.0-cuda13.0-cudnn9-devel
FROM ${CUDA_IMAGE}
ARG PIP_INDEX_URL=https://pypi.org/simple
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir -q -c constraints.txt ".[serve,train,openrlhf]"
RUN groupadd --gid 10001 pivotgym \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home pivotgym \
    && install -d -o pivotgym -g pivotgym /data /runs /run/pivotgym \
    && cp -r trainer/recipes /opt/recipes && rm -rf /src
WORKDIR /runs
ENV PYTHONUNBUFFERED=1 PIVOTGYM_CACHE=/data PIVOTGYM_LOG_FORMAT=json
USER pivotgym
ENTRYPOINT ["pivotgym"]
CMD ["demo"]
