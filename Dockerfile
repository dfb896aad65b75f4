# The dashboard as an unprivileged container with a read-only file system; SECURITY.md says how to run it.
FROM python:3.11-slim

# Name an index of PyTorch's CPU builds here to save gigabytes of CUDA libraries.
ARG PIP_EXTRA_INDEX_URL=""

WORKDIR /app
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -c constraints.txt -r requirements.txt \
    ultralytics-thop reportlab python-pptx \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin featherface

COPY app.py LICENSE ./
COPY .streamlit .streamlit
COPY assets assets
COPY featherface featherface
COPY pages pages
COPY weights weights

# Python writes no bytecode; libraries that look for a home directory get the temporary one.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0"]
