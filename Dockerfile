# One build, one small image for each service: the binary, the C library and the certificates of the public
# authorities; no shell, no package manager, no root.
#
#   docker build --target gateway -t onlineedu/gateway .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package auth-service --package course-service --package gateway \
 && mkdir /out && cp target/release/auth-service target/release/course-service target/release/gateway /out/

FROM gcr.io/distroless/cc-debian12:nonroot AS service
# Inside a container the other end of a connection is another container.
ENV ADMIN_LISTEN=0.0.0.0:9090
EXPOSE 9090

FROM service AS auth-service
COPY --from=build /out/auth-service /usr/local/bin/auth-service
ENV AUTH_LISTEN=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["/usr/local/bin/auth-service", "ready"]
ENTRYPOINT ["/usr/local/bin/auth-service"]
CMD ["serve"]

FROM service AS course-service
COPY --from=build /out/course-service /usr/local/bin/course-service
ENV COURSE_LISTEN=0.0.0.0:50052
EXPOSE 50052
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["/usr/local/bin/course-service", "ready"]
ENTRYPOINT ["/usr/local/bin/course-service"]
CMD ["serve"]

FROM service AS gateway
COPY --from=build /out/gateway /usr/local/bin/gateway
ENV GATEWAY_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["/usr/local/bin/gateway", "ready"]
ENTRYPOINT ["/usr/local/bin/gateway"]
CMD ["serve"]

# What `docker compose up` needs beside the services, and no production: made-up secrets, a mail catcher, and a door
# for grpcurl.
FROM debian:bookworm-slim AS workbench
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssl python3-aiosmtpd socat \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /secrets /mail && chown 65532:65532 /secrets /mail
COPY docker/ /usr/local/bin/
USER 65532:65532
