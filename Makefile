# Everything here first installs from Debian what is missing (.ci/setup); when nothing is, it needs
# no network but cargo's.

.PHONY: help demo man test test-system test-vm soak bench check deb

help:
	@echo 'make demo          show a page (URL=…), or the sample dashboard, as a live stream, on a TV (DEVICE=…)'
	@echo 'make man           manual pages and completions, into target/man and target/completions'
	@echo 'make test          run all tests'
	@echo 'make test-system   install the package in a booted Debian 12 and 13, as root, and test what it does (DEBIAN=13)'
	@echo 'make test-vm       boot it in virtual machines with GPUs that come and go, as root, and test that'
	@echo 'make soak          cast to a TV for half an hour, and play a stream for ten minutes, in which every part dies'
	@echo 'make deb           build the Debian package, into the directory above: for this Debian, or another one, as root (DEBIAN=13)'
	@echo 'make bench         measure against Xvfb + x11grab + libx264 (see README.md)'
	@echo 'make check         formatting and lints'

demo:
	@.ci/setup demo
	cargo run --release --locked -- demo $(if $(URL),'$(URL)') $(if $(DEVICE),--device '$(DEVICE)')

# What a package holds beside the program and debian/man; the program itself writes it.
man:
	@.ci/setup build
	cargo run --release --locked -- generate man target/man
	cargo run --release --locked -- generate completions target/completions

test:
	@.ci/setup test
	cargo test --locked

test-system:
	@.ci/setup system
	cargo test --locked --test system $(if $(DEBIAN),debian_$(DEBIAN)) -- --test-threads 1 --nocapture

test-vm:
	@.ci/setup vm
	cargo test --locked --test vm $(if $(DEBIAN),debian_$(DEBIAN)) -- --test-threads 1 --nocapture

soak:
	@.ci/setup test
	cargo test --locked --test casting --test flow -- --ignored --nocapture

SUITE_12 := bookworm
SUITE_13 := trixie

deb:
ifdef DEBIAN
	@.ci/setup deb-in
	debian/build-in $(or $(SUITE_$(DEBIAN)),$(error DEBIAN is 12 or 13)) ..
else
	@.ci/setup deb
	dpkg-buildpackage --build=binary --no-sign --no-check-builddeps
endif

bench:
	@.ci/setup bench
	cargo bench --locked --bench pipeline --bench dbus --bench gpu

check:
	@.ci/setup check
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	cargo clippy --locked --test system --test vm -- --deny warnings
