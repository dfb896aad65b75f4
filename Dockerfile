# The dashboard as a container that needs no rights and no disk; SECURITY.md says how to run it.
FROM python:3.11-slim

# An index with PyTorch's CPU builds, given here, spares gigabytes of libraries for graphics cards.
ARG PIP_EXTRA_INDEX_URL=""

WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin featherface

COPY app.py LICENSE ./
COPY .streamlit .streamlit
COPY assets assets
COPY featherface featherface
COPY pages pages
COPY weights weights

# Nothing is written: Python keeps no bytecode, and what looks for a home finds the temporary folder.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0"]
