//! Stage `control`.
