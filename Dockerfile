# The portal and the worker. Build: docker build -t slipway .
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libcairo2 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY manage.py ./
COPY portal portal
COPY apps_catalog apps_catalog
COPY jobs jobs
COPY templates templates
COPY static static
COPY examples examples
ENV PYTHONUNBUFFERED=1 SLIPWAY_STATE=/srv/slipway
# The key is only there to read the settings; nothing is signed with it.
RUN SECRET_KEY=only-to-collect-static-files-0000000000 DATABASE_URL=postgresql:///none \
    python manage.py collectstatic --noinput --verbosity 0
USER 1000:1000
EXPOSE 8000
CMD ["python", "-m", "portal.web", "--host", "0.0.0.0", "--port", "8000"]
