# One static binary on an empty image for each service: docker build --target features|metric|plot .
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The dependencies have a layer of their own, made with empty services: it stays while their list does.
COPY Cargo.toml Cargo.lock ./
COPY features/Cargo.toml features/
COPY metric/Cargo.toml metric/
COPY plot/Cargo.toml plot/
# The explicit target keeps the flags from the dependencies' own build programs, which cannot be static.
RUN for service in features metric plot; do mkdir $service/src && echo 'fn main() {}' >$service/src/main.rs; done \
 && cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu"
COPY glue glue
COPY features features
COPY metric metric
COPY plot plot
# Sources keep their times from outside, which may be older than the empty services.
RUN touch */src/main.rs && cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu" \
 && mv target/*/release/features target/*/release/metric target/*/release/plot /

FROM scratch AS features
COPY --from=build /features /features
USER 65532:65532
ENTRYPOINT ["/features"]

FROM scratch AS metric
COPY --from=build /metric /metric
USER 65532:65532
ENTRYPOINT ["/metric"]

FROM scratch AS plot
COPY --from=build /plot /plot
USER 65532:65532
ENTRYPOINT ["/plot"]
