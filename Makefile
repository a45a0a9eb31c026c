# Everything here first installs from Debian what is missing (.ci/setup); when nothing is, it needs
# no network but cargo's.

.PHONY: help demo test bench check

help:
	@echo 'make demo          show a page (URL=…), or the sample dashboard, as a live stream, on a TV (DEVICE=…)'
	@echo 'make test          run all tests'
	@echo 'make bench         measure against Xvfb + x11grab + libx264 (see README.md)'
	@echo 'make check         formatting and lints'

demo:
	@.ci/setup demo
	cargo run --release --locked -- demo $(URL) $(if $(DEVICE),--device '$(DEVICE)')

test:
	@.ci/setup test
	cargo test --locked

bench:
	@.ci/setup bench
	cargo bench --locked --bench pipeline

check:
	@.ci/setup check
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
