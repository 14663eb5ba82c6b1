// Package controllers stands in for a submodule of the Multi-Cluster Services API that module proxies do not
// serve. Cilium uses one constant of it: the annotation that names a derived Service, fixed by KEP-1645.
package controllers

// DerivedServiceAnnotation is set on a ServiceImport and names the Service derived from it.
const DerivedServiceAnnotation = "multicluster.kubernetes.io/derived-service"
