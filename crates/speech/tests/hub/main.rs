//! Models: fetched from a hub on this machine that behaves or does not, found, imported, checked and removed.

mod desk;
mod finding;
mod importing;
mod mishaps;
mod pulling;
mod trust;
