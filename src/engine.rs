//! Floor 7: the only file that names every stage.
