//! Dockerfile text to instructions with source spans; expansion, .dockerignore, checks.
