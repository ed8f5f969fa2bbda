//! The vocabulary: parsed types without I/O. Past a `parse` nothing is checked twice.

pub mod mail;
