package query

import (
	"context"
	"io"
	"os"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/dbsecret"
)

const (
	statement = `SELECT id, first_name FROM users WHERE gender = $1 AND id BETWEEN $2::bigint AND $3::bigint ORDER BY id`

	// The ids that are shared out evenly, where there are shards; others are
	// read too.
	lowID, highID = 1, 1000
)

// shardOf is what the flag says, else the environment.
func shardOf(flag string) (dbsecret.Shard, error) {
	if flag != "" {
		return dbsecret.ParseShard(flag)
	}
	return dbsecret.ShardOf(os.Getenv)
}

// write puts the shard's rows into a file of its own, whole or not at all.
func write(ctx context.Context, db dbsecret.Queryer, out *datasink.Sink, shard dbsecret.Shard, tell func(rows, bytes int64)) (result dbsecret.RowsResult, err error) {
	from, to, ok, err := shard.Range(lowID, highID)
	if err != nil {
		return result, err
	}
	file := File
	if !shard.Single() {
		file = shard.Part()
	}
	err = out.WriteFile(ctx, file, func(w io.Writer) (err error) {
		if ok { // else there are more shards than ids
			opts := &dbsecret.RowsOptions{Progress: tell}
			result, err = dbsecret.WriteRowsAs(ctx, w, db, opts, statement, "Female", from, to)
		}
		return err
	})
	return result, err
}
