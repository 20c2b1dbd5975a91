"""One line for each function of linear algebra, complex numbers and Fourier transforms: ``(names, call, arguments)``."""

from __future__ import annotations

import numpy as np
from tape_cases import T3, M, V, r


def z(*shape):
    """Complex numbers."""
    return r(*shape) + 1j * r(*shape)


def spd(n):
    m = r(n, n)
    return m @ m.T + n * np.eye(n)


def _projectors(u, s, vh):
    """What does not depend on the phases of singular vectors."""
    return np.abs(u), np.abs(vh), u[:, :1] @ vh[:1]


def _signed(w, v):
    """Eigenvectors with a positive first component: LAPACK's sign may flip between neighbouring matrices."""
    return w, v * np.sign(np.real(v[..., :1, :]))


def _whatever_the_order(w, v=None):
    """Symmetric functions of eigenvalues and vectors: LAPACK's order and phases may change between neighbouring matrices."""
    size = 1.0 if v is None else np.real(v * np.conj(v)) ** 2
    return np.sum(w**3), np.sum(np.abs(w)), np.sum(size * np.exp(0.1 * w), axis=-1)


def _signed_svd(u, s, vh):
    signs = np.sign(u[..., 0, :])
    return u * signs[..., None, :], s, signs[..., :, None] * vh


def well(n):
    """A matrix far from singular, with well separated real eigenvalues."""
    return np.diag(np.arange(1.0, n + 1)) + 0.1 * r(n, n)


SPD3 = spd(3)

COMPLEX = [
    ("real imag", lambda x: (np.real(x), np.imag(x) * x.real, x.imag), z(4)),
    ("conjugate", lambda x: (np.conj(x) * x, x.conj()), z(4)),
    ("absolute", lambda x: np.abs(x), z(4)),
    ("angle", lambda x: (np.angle(x), np.angle(x, deg=True)), z(4)),
    ("real_if_close", lambda x: np.real_if_close(x + 0j), V),
    ("multiply", lambda x, y: x * y / (x + 2 * y), z(4), r(4)),
    ("exp", lambda x: np.exp(1j * x), V),
    ("power", lambda x: x**3, z(4)),
    ("sqrt", lambda x: np.sqrt(x), z(4)),
    ("sum", lambda x: (np.sum(x), x.mean(), np.var(x)), z(4)),
    ("matmul", lambda x, y: x @ y, z(3, 3), r(3, 3)),
    ("einsum", lambda x, y: np.einsum("ij,kj->ik", x, y), z(2, 3), z(4, 3)),
    ("vdot", lambda x, y: np.vdot(x, y), z(4), z(4)),
    ("linalg.solve", lambda x, b: np.linalg.solve(x, b), z(3, 3), z(3)),
    ("linalg.inv", lambda x: np.linalg.inv(x), z(3, 3)),
    ("linalg.det", lambda x: np.linalg.det(x), z(3, 3)),
    ("linalg.slogdet", lambda x: tuple(np.linalg.slogdet(x)), z(3, 3)),
    ("linalg.norm", lambda x: (np.linalg.norm(x), np.linalg.norm(x, 1)), z(3, 3)),
    ("linalg.cholesky", lambda x: np.linalg.cholesky(x @ x.conj().T + 3 * np.eye(3)), z(3, 3)),
    ("linalg.eigh", lambda x: np.linalg.eigh(x + x.conj().T)[0], z(3, 3)),
    ("linalg.eigh", lambda x: np.abs(np.linalg.eigh(x + x.conj().T)[1]), z(3, 3)),
    ("linalg.eigvals", lambda x: _whatever_the_order(np.linalg.eigvals(x)), z(3, 3)),
    ("linalg.eig", lambda x: _whatever_the_order(*np.linalg.eig(x)), z(3, 3)),
    ("linalg.svdvals", lambda x: np.linalg.svdvals(x), z(3, 2)),
    ("linalg.svd", lambda x: _projectors(*np.linalg.svd(x, full_matrices=False)), z(3, 2)),
    ("linalg.pinv", lambda x: np.linalg.pinv(x), z(3, 2)),
    ("convolve", lambda x, y: np.convolve(x, y), z(4), z(3)),
    ("correlate", lambda x, y: np.correlate(x, y, "full"), z(4), z(3)),
    ("fft.fft fft.ifft", lambda x: (np.fft.fft(x), np.fft.ifft(x, 6), np.fft.fft(x, 3, norm="ortho")), z(5)),
    ("fft.rfft", lambda x: (np.fft.rfft(x), np.fft.rfft(x, 8, axis=0, norm="forward"), np.fft.rfft(x, 3)), r(6, 5)),
    ("fft.irfft", lambda x: (np.fft.irfft(x), np.fft.irfft(x, 7), np.fft.irfft(x, 4, axis=0, norm="ortho")), z(4, 5)),
    ("fft.fft2 fft.ifft2", lambda x: (np.fft.fft2(x), np.fft.ifft2(x, (2, 5))), z(3, 4)),
    ("fft.fftn fft.ifftn", lambda x: (np.fft.fftn(x), np.fft.ifftn(x, axes=(0, 2))), z(2, 3, 4)),
    ("fft.rfft2 fft.irfft2 fft.rfftn fft.irfftn",
     lambda x: (np.fft.irfft2(np.fft.rfft2(x) ** 2), np.fft.irfftn(np.fft.rfftn(x) ** 2)), r(4, 6)),
    ("fft.fftshift fft.ifftshift", lambda x: (np.fft.fftshift(x), np.fft.ifftshift(x, 1)), r(3, 5)),
]

LINALG = [
    ("linalg.matrix_power", lambda x: [np.linalg.matrix_power(x, n) for n in (0, 1, 3, -2)], well(3)),
    ("linalg.solve", lambda x, b: (np.linalg.solve(x, b), np.linalg.solve(x, b[:, None] * np.ones(2))), well(4), r(4)),
    ("linalg.solve", lambda x, b: np.linalg.solve(x, b), np.stack([well(3), well(3)]), r(2, 3, 2)),
    ("linalg.solve", lambda b: np.linalg.solve(SPD3, b), r(3)),
    ("linalg.inv", lambda x: np.linalg.inv(x), np.stack([well(3), well(3)])),
    ("linalg.tensorsolve", lambda x, b: np.linalg.tensorsolve(x.reshape(2, 3, 6), b), well(6), r(2, 3)),
    ("linalg.tensorinv", lambda x: np.linalg.tensorinv(x.reshape(2, 3, 3, 2)), well(6)),
    ("linalg.det", lambda x: (np.linalg.det(x), np.linalg.det(np.stack([x, x @ x]))), well(3)),
    ("linalg.slogdet", lambda x: np.linalg.slogdet(x)[1], np.stack([well(3), -well(3)])),
    ("linalg.cholesky", lambda x: np.linalg.cholesky(x), spd(4)),
    ("linalg.cholesky", lambda x: np.linalg.cholesky(x, upper=True), spd(3)),
    ("linalg.cholesky", lambda x: np.linalg.cholesky(x), np.stack([spd(3), spd(3)])),
    ("linalg.eigh", lambda x: _signed(*np.linalg.eigh(x)), spd(4)),
    ("linalg.eigh", lambda x: _signed(*np.linalg.eigh(x, "U")), np.stack([spd(3), spd(3)])),
    ("linalg.eigvalsh", lambda x: np.linalg.eigvalsh(x), spd(4)),
    ("linalg.eig", lambda x: _whatever_the_order(*np.linalg.eig(x)), well(4)),
    ("linalg.eigvals", lambda x: _whatever_the_order(np.linalg.eigvals(x)), well(3)),
    ("linalg.eigvals", lambda x: _whatever_the_order(np.linalg.eigvals(x - x.T + 0.1 * x)), well(3)),
    ("linalg.qr", lambda x: tuple(np.linalg.qr(x)), r(4, 3)),
    ("linalg.qr", lambda x: np.linalg.qr(x, "r"), well(3)),
    ("linalg.svd", lambda x: _signed_svd(*np.linalg.svd(x, full_matrices=False)), r(4, 3)),
    ("linalg.svd", lambda x: _signed_svd(*np.linalg.svd(x, full_matrices=False)), r(2, 3)),
    ("linalg.svd", lambda x: _signed_svd(*np.linalg.svd(x)), well(3)),
    ("linalg.svdvals", lambda x: (np.linalg.svdvals(x), np.linalg.svd(x, compute_uv=False)), r(3, 4)),
    ("linalg.pinv", lambda x: np.linalg.pinv(x), r(4, 3)),
    ("linalg.pinv", lambda x: np.linalg.pinv(x), r(2, 4)),
    ("linalg.lstsq", lambda x, b: np.linalg.lstsq(x, b, None)[:2], r(5, 3), r(5)),
    ("linalg.lstsq", lambda x, b: np.linalg.lstsq(x, b, None)[0], r(2, 4), r(2, 3)),
    ("linalg.norm", lambda x: [np.linalg.norm(x, p) for p in (None, 1, 2, 3, np.inf, -np.inf, 0.5)], V),
    ("linalg.norm", lambda x: [np.linalg.norm(x, p) for p in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)], M),
    ("linalg.norm", lambda x: (np.linalg.norm(x, axis=1), np.linalg.norm(x, 1, (0, 2)), np.linalg.norm(x, axis=(0, 1), keepdims=True)), T3),
    ("linalg.matrix_norm linalg.vector_norm",
     lambda x: (np.linalg.matrix_norm(x), np.linalg.vector_norm(x), np.linalg.vector_norm(x, axis=(0, 1), ord=3)), T3),
    ("linalg.cond", lambda x: [np.linalg.cond(x, p) for p in (None, 1, np.inf, "fro", -2)], well(3)),
]

LINEAR_CASES = COMPLEX + LINALG
