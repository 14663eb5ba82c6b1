//! Everything the coordinator concludes; nothing is performed here.
