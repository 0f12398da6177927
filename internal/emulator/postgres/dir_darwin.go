package postgres

// memoryDir is empty: macOS has no directory in memory.
func memoryDir() string { return "" }
