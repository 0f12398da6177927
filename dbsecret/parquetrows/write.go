package parquetrows

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// Options are the options of [Write]. The zero value is ready; the limits are
// those of [dbsecret.RowsOptions].
type Options struct {
	// Columns, if not nil, are the only columns that a result may have.
	Columns []string
	// MaxRows is the greatest number of rows; zero means any.
	MaxRows int64
	// CountColumn names a column that says over how many records a row was
	// computed, and MinCount the least number that may be in it.
	CountColumn string
	MinCount    int64
	// GroupRows bounds a row group; zero means 1,000,000 rows.
	GroupRows int64
	// GroupBytes bounds the values of a row group, before compression; zero
	// means 32 MiB.
	GroupBytes int64
}

// What the zero of Options means.
const (
	defaultGroupRows  = 1_000_000
	defaultGroupBytes = 32 << 20
)

// Write runs the query and writes its rows to w as one Parquet file, with pages
// compressed by Snappy. A result without rows is a file too.
func Write(ctx context.Context, w io.Writer, db dbsecret.Queryer, opts *Options, query string, args ...any) (dbsecret.RowsResult, error) {
	if opts == nil {
		opts = &Options{}
	}
	if opts.GroupRows < 0 || opts.GroupBytes < 0 {
		return dbsecret.RowsResult{}, fmt.Errorf("parquetrows: write: a row group of %d rows and %d bytes; zero means the default", opts.GroupRows, opts.GroupBytes)
	}
	out := &counted{w: w, digest: sha256.New()}
	f := &file{out: out, groupRows: opts.GroupRows, groupBytes: opts.GroupBytes}
	if f.groupRows == 0 {
		f.groupRows = defaultGroupRows
	}
	if f.groupBytes == 0 {
		f.groupBytes = defaultGroupBytes
	}
	limits := &dbsecret.RowsOptions{Columns: opts.Columns, MaxRows: opts.MaxRows, CountColumn: opts.CountColumn, MinCount: opts.MinCount}
	rows, err := dbsecret.EachRow(ctx, db, limits, f, query, args...)
	if err == nil {
		err = f.close()
	}
	if err != nil {
		return dbsecret.RowsResult{}, fmt.Errorf("parquetrows: write: %w", err)
	}
	result := dbsecret.RowsResult{Rows: rows, Bytes: out.n}
	out.digest.Sum(result.SHA256[:0])
	return result, nil
}

// counted counts and digests what is written.
type counted struct {
	w      io.Writer
	digest hash.Hash
	n      int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	c.digest.Write(p[:n])
	c.n += int64(n)
	if err != nil {
		err = fmt.Errorf("output: %w", err)
	}
	return n, err
}

// batchRows and batchBytes bound what is collected for the library at once.
const (
	batchRows  = 256
	batchBytes = 256 << 10
)

// file collects rows.
type file struct {
	out                   io.Writer
	groupRows, groupBytes int64
	writer                *parquet.GenericWriter[any]
	columns               []column

	batch      []parquet.Row
	arena      []byte // what the batch's values point into
	rows, size int64  // of the row group
}

var _ dbsecret.RowReceiver = (*file)(nil)

func (f *file) Columns(types []*sql.ColumnType) error {
	schema := group{}
	seen := map[string]bool{}
	for i, t := range types {
		c, node := columnOf(t)
		switch {
		case c.name == "":
			return fmt.Errorf("column %d has no name; give it one with AS", i+1)
		case seen[c.name]:
			return fmt.Errorf("the result has two columns %q, and a file cannot; name one of them with AS", c.name)
		}
		seen[c.name] = true
		f.columns = append(f.columns, c)
		schema.fields = append(schema.fields, &groupField{Node: parquet.Optional(node), name: c.name})
	}
	f.writer = parquet.NewGenericWriter[any](f.out, parquet.NewSchema("rows", schema), parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(f.groupRows),
		parquet.CreatedBy("github.com/cleanroom-go/sdk/dbsecret/parquetrows", "", ""))
	f.batch = make([]parquet.Row, 0, batchRows)
	f.next()
	return nil
}

// next begins a row, in the memory of an earlier one where there is one.
func (f *file) next() {
	f.batch = f.batch[:len(f.batch)+1]
	row := &f.batch[len(f.batch)-1]
	*row = (*row)[:0]
}

func (f *file) Value(i int, value any) error {
	v, size, err := f.columns[i].convert(value, &f.arena)
	if err != nil {
		return fmt.Errorf("the column %q: %w", f.columns[i].name, err)
	}
	present := 1
	if value == nil {
		present = 0
	}
	row := &f.batch[len(f.batch)-1]
	*row = append(*row, v.Level(0, present, i))
	f.size += int64(size)
	return nil
}

func (f *file) EndRow() error {
	f.rows++
	full := f.rows >= f.groupRows || f.size >= f.groupBytes
	if full || len(f.batch) == cap(f.batch) || len(f.arena) >= batchBytes {
		if err := f.write(len(f.batch)); err != nil {
			return err
		}
	}
	if full {
		if err := f.writer.Flush(); err != nil {
			return err
		}
		f.rows, f.size = 0, 0
	}
	f.next()
	return nil
}

func (f *file) write(n int) error {
	written, err := f.writer.WriteRows(f.batch[:n])
	if err == nil && written < n {
		err = io.ErrShortWrite
	}
	f.batch, f.arena = f.batch[:0], f.arena[:0]
	return err
}

// close writes what is left, and the end without which it is no file.
func (f *file) close() error {
	if f.writer == nil {
		return errors.New("internal error: no columns")
	}
	if err := f.write(len(f.batch) - 1); err != nil {
		return err
	}
	return f.writer.Close()
}
