//! Runs RUN steps as WebAssembly guests.
