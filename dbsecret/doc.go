// Package dbsecret turns the secret that describes a database into a connector.
package dbsecret
