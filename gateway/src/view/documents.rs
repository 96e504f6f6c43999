//! The reference of the schema and the code.
