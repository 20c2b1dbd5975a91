"""Discrete Fourier transforms.  Each is linear; its reverse is the opposite transform with the opposite normalisation."""

from __future__ import annotations

import numpy as np

from sciad.tape.dispatch import implements
from sciad.tape.helpers import as_tuple, axes_of, axis_of
from sciad.tape.primitive import Linear
from sciad.tape.saving import ndim_of, shape_of

_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _fit(x, n, axis):
    """`x` cut, or padded with zeros, to length n along an axis."""
    shape = shape_of(x)
    if shape[axis] > n:
        return x[(*(slice(None),) * axis, slice(n))]
    if shape[axis] < n:
        return np.pad(x, [(0, n - m if k == axis else 0) for k, m in enumerate(shape)])
    return x


def _complex_transform(forward, backward):
    return Linear(
        forward.__name__,
        lambda x, n, axis, norm: forward(x, n, axis, norm),
        lambda bar, shape, n, axis, norm: _fit(backward(bar, None, axis, _OPPOSITE[norm]), shape[axis], axis),
    )


FFT = _complex_transform(np.fft.fft, np.fft.ifft)
IFFT = _complex_transform(np.fft.ifft, np.fft.fft)


def _rfft_reverse(bar, shape, n, axis, norm):
    full = np.fft.ifft(_fit(bar, n, axis), None, axis, _OPPOSITE[norm])
    return _fit(np.real(full), shape[axis], axis)


RFFT = Linear("rfft", lambda x, n, axis, norm: np.fft.rfft(x, n, axis, norm), _rfft_reverse)


def _irfft_reverse(bar, shape, n, axis, norm):
    half = np.fft.rfft(bar, None, axis, _OPPOSITE[norm])
    weight = np.full(n // 2 + 1, 2.0)  # each coefficient stands for itself and its conjugate, but for the first and, if n is even, the last
    weight[0] = 1.0
    if n % 2 == 0:
        weight[-1] = 1.0
    weight = weight.reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return _fit(half * weight, shape[axis], axis)


IRFFT = Linear("irfft", lambda x, n, axis, norm: np.fft.irfft(x, n, axis, norm), _irfft_reverse)


def _one_axis(transform, length):
    def handler(a, n=None, axis=-1, norm=None):
        axis = axis_of(axis, ndim_of(a))
        return transform(a, length(shape_of(a)[axis]) if n is None else n, axis, norm or "backward")

    return handler


def _same(m):
    return m


fft = implements("fft.fft")(_one_axis(FFT, _same))
ifft = implements("fft.ifft")(_one_axis(IFFT, _same))
rfft = implements("fft.rfft")(_one_axis(RFFT, _same))
irfft = implements("fft.irfft")(_one_axis(IRFFT, lambda m: 2 * (m - 1)))


def _many_axes(transform, default_axes):
    def handler(a, s=None, axes=default_axes, norm=None):
        n = ndim_of(a)
        if axes is None:
            axes = range(n) if s is None else range(n - len(s), n)
        for k, axis in enumerate(axes_of(tuple(axes), n)):
            a = transform(a, None if s is None else s[k], axis, norm)
        return a

    return handler


implements("fft.fftn")(_many_axes(fft, None))
implements("fft.ifftn")(_many_axes(ifft, None))
implements("fft.fft2")(_many_axes(fft, (-2, -1)))
implements("fft.ifft2")(_many_axes(ifft, (-2, -1)))


def _real_many(default_axes):
    def handler(a, s=None, axes=default_axes, norm=None):
        n = ndim_of(a)
        axes = axes_of(None if axes is None else tuple(axes), n)
        a = rfft(a, None if s is None else s[-1], axes[-1], norm)
        for k, axis in enumerate(axes[:-1]):
            a = fft(a, None if s is None else s[k], axis, norm)
        return a

    return handler


def _inverse_real_many(default_axes):
    def handler(a, s=None, axes=default_axes, norm=None):
        n = ndim_of(a)
        axes = axes_of(None if axes is None else tuple(axes), n)
        for k, axis in enumerate(axes[:-1]):
            a = ifft(a, None if s is None else s[k], axis, norm)
        return irfft(a, None if s is None else s[-1], axes[-1], norm)

    return handler


implements("fft.rfftn")(_real_many(None))
implements("fft.rfft2")(_real_many((-2, -1)))
implements("fft.irfftn")(_inverse_real_many(None))
implements("fft.irfft2")(_inverse_real_many((-2, -1)))


def _shift(sign):
    def handler(x, axes=None):
        shape = shape_of(x)
        axes = axes_of(None if axes is None else as_tuple(axes), len(shape))
        return np.roll(x, tuple([sign * (shape[k] // 2) for k in axes]), axes)

    return handler


implements("fft.fftshift")(_shift(1))
implements("fft.ifftshift")(_shift(-1))

