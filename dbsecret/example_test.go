package dbsecret_test

import (
	"fmt"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/skr"
)

// The publisher describes the database; the room reads the same description.
func Example() {
	doc := dbsecret.Document{
		Endpoint: "postgres://DB.example.com:5433/",
		Name:     "test_data",
		User:     "user",
		Password: skr.SecretRef{
			ClientID: "11111111-1111-1111-1111-111111111111",
			TenantID: "22222222-2222-2222-2222-222222222222",
			Name:     "db-password",
			VaultURL: "https://publisher.vault.azure.net",
			KEK: skr.KeyRef{
				Name:           "publisher-kek",
				VaultURL:       "https://publisher.vault.azure.net",
				AttestationURL: "https://sharedneu.neu.attest.azure.net",
			},
		},
	}
	value, err := doc.Encode() // the value to store as a secret of the contract
	if err != nil {
		fmt.Println(err)
		return
	}
	read, err := dbsecret.Parse([]byte(value))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s at %s:%d, password in %s\n", read.Name, read.Endpoint, read.Port, read.Password)
	// Output:
	// test_data at db.example.com:5433, password in https://publisher.vault.azure.net/secrets/db-password
}
