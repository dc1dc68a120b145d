# One service as a static binary on an empty image: docker build --build-arg SERVICE=features|metric|plot .
# An argument and not a target for each: older engines build every stage before a target, and so every service.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The dependencies have a layer of their own, made with empty services: it stays while their list does.
COPY Cargo.toml Cargo.lock ./
COPY features/Cargo.toml features/
COPY metric/Cargo.toml metric/
COPY plot/Cargo.toml plot/
RUN for service in features metric plot; do mkdir $service/src && echo 'fn main() {}' >$service/src/main.rs; done
ARG SERVICE
# The explicit target keeps the flags from the dependencies' own build programs, which cannot be static.
RUN cargo build --release --locked --package "$SERVICE" --target "$(uname -m)-unknown-linux-gnu"
COPY glue glue
COPY features features
COPY metric metric
COPY plot plot
# Sources keep their times from outside, which may be older than the empty services.
RUN touch */src/main.rs \
 && cargo build --release --locked --package "$SERVICE" --target "$(uname -m)-unknown-linux-gnu" \
 && mv "target/$(uname -m)-unknown-linux-gnu/release/$SERVICE" /service

FROM scratch
COPY --from=build /service /service
USER 65532:65532
ENTRYPOINT ["/service"]
