// Package postgres runs a real, temporary PostgreSQL server for tests and the
// demo: the publisher's database of the scenario, with its sample data.
//
//	cluster, err := postgres.Start(ctx, postgres.Options{})
//	if err != nil {
//		return err
//	}
//	defer cluster.Stop()
//
// The server's programs must be installed; [Find] says where they were found
// and [InstallHint] how to get them. A cluster listens on a free port of
// 127.0.0.1, speaks TLS 1.3 alone and knows passwords as SCRAM-SHA-256 alone.
// It lives in a private directory, in memory where the system has one for that,
// and is gone after Stop.
//
// # When the program dies
//
// The server stands in a process group of its own, so that Ctrl-C reaches the
// program first. A small shell beside it reads from a pipe that ends with the
// program, however that dies; it then stops the server and removes the
// directory. If even the shell was killed, the next Start removes what it finds
// unlocked, and a server whose directory is gone ends by itself within a
// minute.
package postgres
