//! Stage `frame`.
