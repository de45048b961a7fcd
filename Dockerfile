# syntax=docker/dockerfile:1
# Any image with Node 24 and npm. hack/image/build.sh makes one without an image registry.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Not `npm ci`: see hack/ensure-installed.mjs. Secrets may say where packages come from and which authorities to trust; they
# do not become a part of the image.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc,required=false \
    --mount=type=secret,id=npm-ca,target=/run/secrets/npm-ca,required=false \
    if [ -f /run/secrets/npm-ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/npm-ca; fi; \
    npm install --omit=dev --no-save --no-audit --no-fund --loglevel=error
COPY audit audit
COPY cmd cmd
COPY cloud cloud
COPY controllers controllers
COPY crds crds
COPY domain domain
COPY kube kube
COPY runtime runtime
COPY webhook webhook

# The compiled form of everything that the program loads, so that it starts fast. Node files it under the user's number, so it
# is made by the user that runs it. The program itself ends at once without its files; what it loads late is named.
RUN mkdir compile-cache && chown 65532:65532 compile-cache
USER 65532:65532
ENV NODE_COMPILE_CACHE=/app/compile-cache NODE_OPTIONS=--max-semi-space-size=16
RUN ["node", "-e", "const {spawnSync} = require('node:child_process'); spawnSync(process.execPath, ['cmd/controlplane.ts', '--config', '/nowhere']); Promise.all(['@kubernetes/client-node/dist/config.js', '@alicloud/openapi-core', '@alicloud/ecs20140526', '@alicloud/vpc20160428', '@alicloud/credentials', '@darabonba/typescript', 'koffi'].map((name) => import(name))).then(() => process.exit(0))"]
USER 0:0
RUN chmod -R a+rX,go-w compile-cache

FROM ${BASE}
LABEL org.opencontainers.image.title="terway-controlplane" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
# Few objects live on: without the option the space for young ones takes up to 128 MiB.
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/compile-cache NODE_OPTIONS=--max-semi-space-size=16
COPY --from=build --chown=0:0 /app /app
USER 65532:65532
# Webhooks, probes, metrics.
EXPOSE 4443 8080 8081
ENTRYPOINT ["node", "/app/cmd/controlplane.ts"]
