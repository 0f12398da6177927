package parquetrows

import (
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// group is the root of a schema with the fields in their order; the library's
// own sorts them by name.
type group struct {
	parquet.Group
	fields []parquet.Field
}

type groupField struct {
	parquet.Node
	name string
}

var (
	_ parquet.Node  = group{}
	_ parquet.Field = (*groupField)(nil)
)

func (g group) Fields() []parquet.Field { return g.fields }

// GoType is for rows that are Go structs, which none of ours is: a column's name
// may be none that a struct could have.
func (g group) GoType() reflect.Type { return reflect.TypeFor[map[string]any]() }

func (f *groupField) Name() string { return f.name }

func (f *groupField) Value(base reflect.Value) reflect.Value {
	return base.MapIndex(reflect.ValueOf(f.name))
}
