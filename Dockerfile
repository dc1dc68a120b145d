# One service as a static binary on an empty image: docker build --build-arg SERVICE=features|metric|plot .
# An argument and not a target for each: older engines build every stage before a target, and so every service.
FROM rust:1.95-slim-bookworm AS build
ARG SERVICE
# Before anything else: older engines find a service's layers again only where they have none in common with another's.
ENV SERVICE=$SERVICE RUSTFLAGS="-C target-feature=+crt-static"
WORKDIR /build
# The dependencies have a layer of their own, made with empty services: it stays while their list does.
COPY Cargo.toml Cargo.lock ./
COPY features/Cargo.toml features/
COPY metric/Cargo.toml metric/
COPY plot/Cargo.toml plot/
RUN for service in features metric plot; do mkdir $service/src && echo 'fn main() {}' >$service/src/main.rs; done
# The explicit target, whatever the machine's is, keeps the flags from the dependencies' own build programs, which cannot be static.
RUN rustc -vV | sed -n 's/^host: //p' >host \
 && cargo build --release --locked --package "$SERVICE" --target "$(cat host)"
COPY glue glue
COPY $SERVICE $SERVICE
# Sources keep their times from outside, which may be older than the empty service.
RUN touch "$SERVICE/src/main.rs" \
 && cargo build --release --locked --package "$SERVICE" --target "$(cat host)" \
 && mv "target/$(cat host)/release/$SERVICE" /service

FROM scratch
COPY --from=build /service /service
USER 65532:65532
ENTRYPOINT ["/service"]
