package ccf

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// view is the term of the one node, which never loses an election.
const view = 2

// store is a versioned key-value store. Old versions stay, as they do in a
// ledger: event ranges and proposal histories are read from them.
type store struct {
	tables map[string]map[string][]version
	// seqno is the last transaction; committed is the last one that a
	// signature covers.
	seqno, committed uint64
	// root stands for the Merkle root in digests and ids: it depends on every
	// transaction so far and on a random start. Receipts are made of the tree.
	root [sha256.Size]byte
	tree tree
}

type version struct {
	seqno   uint64
	value   any
	deleted bool
}

func newStore(seed [sha256.Size]byte) *store {
	return &store{tables: map[string]map[string][]version{}, root: seed, tree: tree{secret: sha256.Sum256(seed[:])}}
}

// sign writes a signature transaction over what is not yet covered by one.
func (s *store) sign() {
	if s.seqno > s.committed {
		s.advance("signature")
		s.committed = s.seqno
		s.tree.signatures = append(s.tree.signatures, s.seqno)
	}
}

func (s *store) advance(what string) {
	s.seqno++
	h := sha256.New()
	h.Write(s.root[:])
	h.Write(binary.BigEndian.AppendUint64(nil, s.seqno))
	h.Write([]byte(what))
	h.Sum(s.root[:0])
	s.tree.add(s.seqno, sha256.Sum256(s.root[:]))
}

// tx is one transaction: reads see its own writes, nothing else sees them
// before commit. Dropping a tx discards it.
type tx struct {
	store  *store
	writes map[string]map[string]version
}

func (s *store) begin() *tx {
	return &tx{store: s, writes: map[string]map[string]version{}}
}

// commit applies the writes under the next sequence number, if there are any.
func (x *tx) commit() {
	if len(x.writes) == 0 {
		return
	}
	x.store.advance("write")
	for name, writes := range x.writes {
		t := x.store.tables[name]
		if t == nil {
			t = map[string][]version{}
			x.store.tables[name] = t
		}
		for key, v := range writes {
			v.seqno = x.store.seqno
			t[key] = append(t[key], v)
		}
	}
	x.writes = nil
}

func (x *tx) last(table, key string) (version, bool) {
	if v, ok := x.writes[table][key]; ok {
		v.seqno = x.store.seqno + 1
		return v, !v.deleted
	}
	vs := x.store.tables[table][key]
	if len(vs) == 0 {
		return version{}, false
	}
	v := vs[len(vs)-1]
	return v, !v.deleted
}

func (x *tx) write(table, key string, v version) {
	if x.writes[table] == nil {
		x.writes[table] = map[string]version{}
	}
	x.writes[table][key] = v
}

// table names a typed table. Values are never changed in place: a caller that
// wants to change one puts a new one.
type table[V any] string

func (t table[V]) get(x *tx, key string) (V, bool) {
	v, ok := x.last(string(t), key)
	if !ok {
		var zero V
		return zero, false
	}
	return v.value.(V), true
}

func (t table[V]) put(x *tx, key string, v V) {
	x.write(string(t), key, version{value: v})
}

func (t table[V]) remove(x *tx, key string) {
	if _, ok := x.last(string(t), key); ok {
		x.write(string(t), key, version{deleted: true})
	}
}

// keys lists the present keys in order.
func (t table[V]) keys(x *tx) []string {
	var keys []string
	add := func(key string) {
		if _, ok := x.last(string(t), key); ok {
			keys = append(keys, key)
		}
	}
	for key := range x.store.tables[string(t)] {
		add(key)
	}
	for key := range x.writes[string(t)] {
		if _, old := x.store.tables[string(t)][key]; !old {
			add(key)
		}
	}
	slices.Sort(keys)
	return keys
}

// seqno is the transaction that last wrote a present key, else 0.
func (t table[V]) seqno(x *tx, key string) uint64 {
	v, ok := x.last(string(t), key)
	if !ok {
		return 0
	}
	return v.seqno
}

// version is the transaction id that last wrote a present key, as text.
func (t table[V]) version(x *tx, key string) string {
	return transactionID(t.seqno(x, key))
}

type dated[V any] struct {
	seqno uint64
	value V
}

// history lists the writes of a key in a range of sequence numbers, both ends
// included. Deletions are left out.
func (t table[V]) history(x *tx, key string, from, to uint64) []dated[V] {
	var out []dated[V]
	for _, v := range x.store.tables[string(t)][key] {
		if v.seqno >= from && v.seqno <= to && !v.deleted {
			out = append(out, dated[V]{v.seqno, v.value.(V)})
		}
	}
	return out
}

func transactionID(seqno uint64) string { return fmt.Sprintf("%d.%d", view, seqno) }
