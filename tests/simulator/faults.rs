//! Seeded mistakes are found.
