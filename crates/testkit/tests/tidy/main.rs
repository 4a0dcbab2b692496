//! Tidy tests: the rules of the house that the compiler cannot keep.
//!
//! Each rule is a pure function from facts to complaints, with one test that this repository keeps it and one that
//! it notices a breach. The facts come from `cargo metadata` and from git; see [`house`].

mod comparisons;
mod dependencies;
mod documents;
mod doors;
mod files;
mod house;
mod layers;
