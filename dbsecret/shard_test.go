package dbsecret_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
)

// TestShardRanges: they touch, cover all keys, and are even within low to high.
func TestShardRanges(t *testing.T) {
	ends := []int64{math.MinInt64, math.MinInt64 + 1, -1000, -1, 0, 1, 2, 3, 1000, math.MaxInt64 - 1, math.MaxInt64}
	tried := 0
	for _, low := range ends {
		for _, high := range ends {
			for _, count := range []int{1, 2, 3, 7, 64, dbsecret.MaxShards} {
				if low > high {
					continue
				}
				tried++
				next, last := int64(math.MinInt64), false
				for i := range count {
					from, to, ok, err := dbsecret.Shard{Index: i, Count: count}.Range(low, high)
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						continue
					}
					if last || from != next || to < from {
						t.Fatalf("%d..%d: shard %d/%d has %d..%d, the one before ended before %d", low, high, i, count, from, to, next)
					}
					if last = to == math.MaxInt64; !last {
						next = to + 1
					}
					if i > 0 && i < count-1 {
						span := uint64(high) - uint64(low)
						if n := uint64(to) - uint64(from) + 1; n < span/uint64(count) || n > span/uint64(count)+2 {
							t.Fatalf("%d..%d: shard %d/%d has %d keys", low, high, i, count, n)
						}
					}
				}
				if !last {
					t.Fatalf("%d..%d in %d shards: the keys from %d belong to nobody", low, high, count, next)
				}
			}
		}
	}
	if tried != 66*6 {
		t.Errorf("tried %d, want %d", tried, 66*6)
	}
	for range 1000 { // a key belongs to one shard
		key, count := rand.Int64(), 1+rand.IntN(50)
		owners := 0
		for i := range count {
			if from, to, ok, _ := (dbsecret.Shard{Index: i, Count: count}).Range(-5, 1<<40); ok && key >= from && key <= to {
				owners++
			}
		}
		if owners != 1 {
			t.Fatalf("the key %d has %d of %d shards", key, owners, count)
		}
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]dbsecret.Shard{"": {}, "0/1": {Index: 0, Count: 1}, "3/4": {Index: 3, Count: 4}, "99999/100000": {Index: 99999, Count: 100000}} {
		got, err := dbsecret.ParseShard(text)
		if err != nil || got != want || got.String() != text || got.Single() != (text == "") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"1", "/", "4/4", "-1/4", "0/0", "+1/4", "1/4/2", "1 /4", "a/b", "0/100001", "0/99999999999999999999", "½/2", "1/"} {
		if s, err := dbsecret.ParseShard(text); err == nil || !strings.Contains(err.Error(), "i/n") || s != (dbsecret.Shard{}) {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	if got := (dbsecret.Shard{Index: 7, Count: 10}).Part(); got != "part-00007" {
		t.Error(got)
	}
	for _, s := range []dbsecret.Shard{{Index: 1}, {Index: -1, Count: 2}, {Count: -1}, {Index: 2, Count: 2}} {
		if _, _, _, err := s.Range(0, 1); err == nil {
			t.Errorf("%+v has a range", s)
		}
	}
	if _, _, _, err := (dbsecret.Shard{Count: 2}).Range(1, 0); err == nil {
		t.Error("keys from 1 to 0")
	}
}

func TestShardOf(t *testing.T) {
	of := func(index, count string) (dbsecret.Shard, error) {
		return dbsecret.ShardOf(func(name string) string {
			return map[string]string{"JOB_COMPLETION_INDEX": index, "CLEANROOM_SHARDS": count}[name]
		})
	}
	if s, err := of("", ""); err != nil || !s.Single() {
		t.Error(s, err)
	}
	if s, err := of("2", "3"); err != nil || s.String() != "2/3" {
		t.Error(s, err)
	}
	for _, bad := range [][2]string{{"2", ""}, {"", "3"}, {"3", "3"}, {"x", "3"}, {"0", "0"}} {
		if s, err := of(bad[0], bad[1]); err == nil || !strings.Contains(err.Error(), "CLEANROOM_SHARDS") {
			t.Errorf("%q: %v, %v", bad, s, err)
		}
	}
}
