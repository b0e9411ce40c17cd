//! What executes a RUN step.
