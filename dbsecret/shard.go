package dbsecret

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// The environment of a shard: what Kubernetes gives the pods of an Indexed Job,
// and the number of shards, which it does not.
const (
	ShardIndexVariable = "JOB_COMPLETION_INDEX"
	ShardCountVariable = "CLEANROOM_SHARDS"
)

// MaxShards is the greatest number of shards: what the names of parts have
// digits for.
const MaxShards = 100_000

// A Shard is one of several runs of the same query, each of which reads its own
// range of an integer key and writes its own part. The zero value is the single
// run, which reads everything.
//
// The ranges are made of the count and two numbers alone, never of what the
// database holds: every shard computes the same ones, whenever it runs, and a run
// of a shard that was killed is repeated by running it again. They touch and
// cover every key there can be. The parts in their order, each ordered by the
// key, are what the single run writes.
//
// # No common snapshot
//
// Each shard is a connection of its own and sees the database as it is when it
// reads, so that a row that moves between two ranges meanwhile is read twice or
// not at all. Where the data change during a run, point the document at a read
// replica whose replay is paused, or at a copy; or put a condition into the
// query that only holds for what is fixed, such as a version column up to a
// number that the parties agreed on.
type Shard struct {
	// Index is from 0 to Count-1.
	Index int
	// Count is the number of shards; zero is the single run.
	Count int
}

// ParseShard reads "i/n": the shard with the index i, from 0, of n. Empty is the
// single run.
func ParseShard(text string) (Shard, error) {
	if text == "" {
		return Shard{}, nil
	}
	index, count, _ := strings.Cut(text, "/")
	s, err := newShard(index, count)
	if err != nil {
		return Shard{}, fmt.Errorf("dbsecret: shard %q: %w; give it as i/n, from 0/4 to 3/4 for four of them", text, err)
	}
	return s, nil
}

// ShardOf reads the shard from an environment, which os.Getenv looks up: that of
// a pod of an Indexed Job has the index in JOB_COMPLETION_INDEX, and the Job's
// manifest the count in CLEANROOM_SHARDS. Without both it is the single run; one
// alone is an error, for it would read everything once more in each pod.
func ShardOf(getenv func(string) string) (Shard, error) {
	index, count := getenv(ShardIndexVariable), getenv(ShardCountVariable)
	if index == "" && count == "" {
		return Shard{}, nil
	}
	s, err := newShard(index, count)
	if err != nil {
		return Shard{}, fmt.Errorf("dbsecret: shard of the environment: %w; set %s to the index, from 0, and %s to the number of shards", err, ShardIndexVariable, ShardCountVariable)
	}
	return s, nil
}

func newShard(index, count string) (Shard, error) {
	i, err := digits(index)
	if err != nil {
		return Shard{}, fmt.Errorf("the index %w", err)
	}
	n, err := digits(count)
	if err != nil {
		return Shard{}, fmt.Errorf("the count %w", err)
	}
	s := Shard{Index: i, Count: n}
	if n == 0 {
		return Shard{}, errors.New("there are no shards")
	}
	if err := s.check(); err != nil {
		return Shard{}, err
	}
	return s, nil
}

func digits(text string) (int, error) {
	if !isDigits([]byte(text)) {
		return 0, errors.New("is no number")
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, errors.New("is too large")
	}
	return n, nil
}

func (s Shard) check() error {
	switch {
	case s.Count == 0 && s.Index == 0:
	case s.Count < 0 || s.Count > MaxShards:
		return fmt.Errorf("%d shards are not between 1 and %d", s.Count, MaxShards)
	case s.Index < 0 || s.Index >= s.Count:
		return fmt.Errorf("the index %d is not between 0 and %d", s.Index, s.Count-1)
	}
	return nil
}

// Single reports whether it is the single run.
func (s Shard) Single() bool { return s.Count == 0 }

// String is "i/n", or empty for the single run.
func (s Shard) String() string {
	if s.Single() {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Count)
}

// Part is the name of the shard's file: part-00000 for the first one.
func (s Shard) Part() string { return fmt.Sprintf("part-%05d", s.Index) }

// Range is the shard's range of keys, both ends included, as for
//
//	WHERE id BETWEEN $1::bigint AND $2::bigint
//
// in which the casts keep the server from taking the ends for a smaller type. The
// keys from low to high are shared out evenly; those below belong to the first
// shard and those above to the last one, so that low and high decide only how
// even the shares are, never what is read. All shards must be given the same
// two.
//
// Where there are more shards than keys some have none: then ok is false, and
// the shard's part is empty.
func (s Shard) Range(low, high int64) (from, to int64, ok bool, err error) {
	if err := s.check(); err != nil {
		return 0, 0, false, fmt.Errorf("dbsecret: range of shard: %w", err)
	}
	if low > high {
		return 0, 0, false, fmt.Errorf("dbsecret: range of shard %s: the lowest key %d is above the highest, %d", s, low, high)
	}
	if s.Count <= 1 {
		return math.MinInt64, math.MaxInt64, true, nil
	}
	from = math.MinInt64
	if s.Index > 0 {
		from = s.bound(low, high, s.Index)
	}
	if s.Index == s.Count-1 {
		return from, math.MaxInt64, true, nil
	}
	to = s.bound(low, high, s.Index+1)
	if to == math.MinInt64 || from > to-1 {
		return 0, 0, false, nil
	}
	return from, to - 1, true, nil
}

// bound is where the i-th share begins: low + (high-low+1) * i / count, in 128
// bits on the way. It is for an i below count, so that it fits.
func (s Shard) bound(low, high int64, i int) int64 {
	span := uint64(high) - uint64(low) // one less than the number of keys, which may be 2^64
	hi, lo := bits.Mul64(span, uint64(i))
	lo, carry := bits.Add64(lo, uint64(i), 0)
	share, _ := bits.Div64(hi+carry, lo, uint64(s.Count))
	return int64(uint64(low) + share)
}
