//! One Dynamo: checked exhaustively, simulated, and run over UDP.
