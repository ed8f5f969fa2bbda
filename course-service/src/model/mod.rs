//! The vocabulary: parsed types without I/O. What is of one of these types is valid; nothing checks it again.

pub mod course;
pub mod currency;
pub mod description;
pub mod enrollment;
pub mod field;
pub mod instructor;
pub mod listing;
pub mod payment;
pub mod person;
pub mod price;
pub mod search;
pub mod slug;
pub mod state;
pub mod subtitle;
mod text;
pub mod title;
pub mod user_id;
