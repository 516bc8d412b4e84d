# A server without PyTorch, for a model folder that has what `asr export --int8` writes:
#     docker build -t asr .
#     docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -v "$PWD/runs/mine/best:/model:ro" asr
FROM python:3.12-slim
WORKDIR /app
COPY requirements-runtime.txt requirements-serve.txt ./
RUN pip install --no-cache-dir -r requirements-serve.txt
COPY LICENSE README.md pyproject.toml ./
COPY asr asr
RUN pip install --no-cache-dir --no-deps . && rm -rf build
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=5)"]
# Inside, all addresses are the container's own; -p above says who reaches it.
ENTRYPOINT ["asr", "serve", "--host", "0.0.0.0"]
CMD ["--model", "model=/model", "--engine", "int8"]
