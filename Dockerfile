# Troupe as an image: one process, whose role the environment decides. With no environment it is a complete server
# with an embedded PostgreSQL in the volume /data. compose.yaml starts a cluster of them.
#
#   docker build -t troupe .
#   docker run -p 8008:8008 -v troupe:/data troupe

FROM node:26-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY protocol ./protocol
COPY storage ./storage
COPY actors ./actors
COPY gateway ./gateway

FROM node:26-bookworm-slim
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=build --chown=node:node /app ./
USER node
ENV TROUPE_DATA_DIR=/data \
    TROUPE_LISTEN=0.0.0.0:8008 \
    TROUPE_METRICS_LISTEN=0.0.0.0:9100
VOLUME /data
EXPOSE 8008 9100
# SIGTERM answers what is under way, moves the shards to other hosts, and ends within five seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9100/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "gateway/troupe.js"]
CMD ["start"]
