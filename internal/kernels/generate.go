package kernels

// The vector kernels are written by avo from gen/, a module of its own. Run
// `go generate` here after a change there and commit what it writes.

//go:generate go run -C gen . -family dot -pkg kernels -out ../dot_avx2_amd64.s -stubs ../dot_stub_amd64.go
//go:generate go run -C gen . -family tile -pkg kernels -out ../tile_avx2_amd64.s -stubs ../tile_stub_amd64.go
//go:generate go run -C gen . -family tile512 -pkg kernels -out ../tile_avx512_amd64.s -stubs ../tile512_stub_amd64.go
//go:generate go run -C gen . -family vector -pkg kernels -out ../vector_avx2_amd64.s -stubs ../vector_stub_amd64.go
//go:generate go run -C gen . -family exp -pkg kernels -out ../exp_avx2_amd64.s -stubs ../exp_stub_amd64.go
//go:generate go run -C gen . -family widen -pkg kernels -out ../widen_avx2_amd64.s -stubs ../widen_stub_amd64.go
//go:generate go run -C gen . -family limits -pkg kernels -out ../limits_avx2_amd64.s -stubs ../limits_stub_amd64.go
//go:generate go run -C gen . -family int8 -pkg kernels -out ../int8_avx2_amd64.s -stubs ../int8_stub_amd64.go
//go:generate go run -C gen . -family vnni -pkg kernels -out ../int8_vnni_amd64.s -stubs ../int8_vnni_stub_amd64.go
//go:generate go run -C gen . -family attention -pkg kernels -out ../block_avx2_amd64.s -stubs ../block_stub_amd64.go
//go:generate go run -C gen . -family attention512 -pkg kernels -out ../block_avx512_amd64.s -stubs ../block512_stub_amd64.go
