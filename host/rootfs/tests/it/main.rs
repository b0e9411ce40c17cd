//! Tests of whole operations, in every mode that this machine allows.

mod archives;
mod copying;
mod full;
mod image;
mod index;
mod layers;
mod modes;
mod operations;
mod steps;
