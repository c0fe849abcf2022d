//! Small Dynamo clusters, checked exhaustively.
