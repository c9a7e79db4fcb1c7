package kernels

import "golang.org/x/sys/cpu"

// hasVNNI tells whether this CPU has what avx512VNNI needs beyond avx2: Intel
// since Cascade Lake, AMD since Zen 4. The flags are set only where the operating
// system keeps registers of 512 bits as well.
func hasVNNI() bool {
	return cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512VNNI
}

// avx512VNNI is avx2 but for products, those of attention as well, and for the limits:
// they are the machine's, so float32 kernels of 8 lanes count against 16.
var avx512VNNI = withVNNI(avx2)

func withVNNI(s kernelSet) kernelSet {
	s.name = "avx512-vnni"
	s.matMul, s.addProduct, s.addProducts = inWide.matMul, blocksAVX512.addProduct, blocksAVX512.addProducts
	s.matMulInt8 = vnniTiles.matMul
	s.fma, s.fmaFlops = fmaAVX512, 12*16*2
	s.int8, s.int8Ops = int8VNNI, 12*64*2
	return s
}

// vnniTiles: one and two rows wait for memory, which is read fastest in several
// streams (docs/adr/0157); more are bound by arithmetic, and two blocks share x.
var vnniTiles = int8Tiles{
	one: vnniTile1x16,
	rows: []int8Tile{
		1: {4, vnniTile1x64}, {4, vnniTile2x64}, {2, vnniTile3x32}, {2, vnniTile4x32}, {2, vnniTile5x32}, {2, vnniTile6x32},
	},
	ahead: 2 << 10, share: 3,
}
