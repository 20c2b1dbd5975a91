"""NumPy's functions and methods on arrays of one to three axes: the compiled tier has NumPy's value, or refuses; never another value."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.check import module
from interpret import interpreted

import sciad

EXPRESSIONS = [
    "np.flip(x)", "np.flip(x,0)", "np.flip(x,1)", "np.flip(x,2)", "np.flip(x,-1)", "np.flipud(x)", "np.fliplr(x)", "np.roll(x,1)",
    "np.roll(x,1,0)", "np.roll(x,1,1)", "np.roll(x,1,2)", "np.roll(x,1,-1)", "np.roll(x,-1,-2)", "np.roll(x,4)", "np.tile(x,2)",
    "np.tile(x,3)", "np.repeat(x,2)", "np.repeat(x,3)", "np.swapaxes(x,0,1)", "np.swapaxes(x,0,2)", "np.swapaxes(x,-1,0)",
    "np.swapaxes(x,1,1)", "np.moveaxis(x,0,-1)", "np.diff(x)", "np.diff(x,axis=0)", "np.diff(x,2)", "np.trapezoid(x)",
    "np.trapezoid(x,dx=0.5)", "np.gradient(x)", "np.cumprod(x)", "np.cumsum(x)", "np.cumsum(x,axis=0)", "np.cumsum(x,axis=-1)",
    "np.var(x)", "np.var(x,axis=0)", "np.var(x,axis=-1)", "np.std(x,ddof=1)", "np.std(x,axis=1)", "np.average(x)", "np.ptp(x)",
    "np.median(x)", "np.argmax(x)", "np.argmin(x)", "np.argsort(x)", "np.sort(x)", "np.sort(x,axis=0)", "np.cross(x,x+1)",
    "np.cross(x,x[0]+1)", "np.kron(x,x)", "np.inner(x,x)", "np.inner(x,x[0])", "np.outer(x,x)", "np.dot(x,x)", "np.dot(x,x[0])",
    "np.dot(x[0],x)", "np.vdot(x,x)", "np.matmul(x,x)", "np.matmul(x,x[0])", "np.matmul(x[0],x)", "np.trace(x)", "np.diag(x)",
    "np.tril(x)", "np.triu(x)", "np.triu(x,1)", "np.transpose(x)", "np.sum(x)", "np.sum(x,axis=0)", "np.sum(x,axis=1)",
    "np.sum(x,axis=-1)", "np.sum(x,axis=-2)", "np.sum(x,axis=(0,1))", "np.sum(x,axis=(0,-1))", "np.sum(x,axis=0,keepdims=True)",
    "np.mean(x,axis=0)", "np.mean(x,axis=(0,1))", "np.mean(x,axis=-1,keepdims=True)", "np.prod(x)", "np.prod(x,axis=0)",
    "np.prod(x,axis=-1)", "np.max(x,axis=0)", "np.max(x,axis=-1)", "np.min(x,axis=1)", "np.any(x>0)", "np.all(x>0,axis=0)",
    "np.linalg.norm(x)", "np.linalg.norm(x,axis=0)", "np.linalg.norm(x,axis=-1)", "np.linalg.norm(x,1)", "np.linalg.norm(x,np.inf)",
    "np.linalg.norm(x,ord='fro')", "np.linalg.det(x)", "np.linalg.inv(x)", "np.linalg.solve(x,x)", "np.linalg.solve(x,x[0])",
    "np.linalg.eigh(x+np.swapaxes(x,-1,-2))[0]", "np.linalg.slogdet(x)[1]", "np.linalg.matrix_power(x,2)",
    "np.linalg.cholesky(np.eye(3)*5+0*x)", "np.concatenate((x,x))", "np.concatenate((x,x),axis=1)", "np.concatenate((x,x),axis=-1)",
    "np.concatenate((x,x),axis=None)", "np.stack((x,x))", "np.stack((x,x),axis=1)", "np.stack((x,x),axis=-1)", "np.vstack((x,x))",
    "np.hstack((x,x))", "np.column_stack((x,x))", "np.hstack((x[0],x[0]))", "np.vstack((x[0],x[1]))", "np.expand_dims(x,0)",
    "np.expand_dims(x,-1)", "np.expand_dims(x,1)", "np.ravel(x)", "np.ravel(x.T)", "np.reshape(x,(-1,))", "np.reshape(x.T,(3,-1))",
    "np.where(x>0,x,0.)", "np.clip(x,-0.5,0.5)", "np.take(x,1)", "np.take(x,[0,2])", "np.take(x,[0,2],axis=0)", "np.meshgrid(x,x)[0]",
    "np.meshgrid(x,x)[1]", "np.interp(x,np.linspace(-1,1,3),np.array([1.,2.,4.]))", "np.convolve(x,x)", "np.polyval(x,0.3)",
    "np.polyval(np.array([1.,2.]),x)", "np.count_nonzero(x>0)", "np.isclose(x,x)", "np.allclose(x,x)", "np.einsum('ij,jk->ik',x,x)",
    "np.einsum('ii',x)", "np.einsum('ij->ji',x)", "np.einsum('ijk->kji',x)", "np.einsum('i,i',x,x)", "np.ones_like(x)*x",
    "np.full_like(x,2.)+x", "np.copy(x)", "np.linspace(0.,1.,3)*x", "np.arange(3)*x", "np.eye(3)@x", "np.identity(3)*x", "np.cbrt(x)",
    "np.real(x)", "np.sign(x)", "np.round(x,1)", "np.floor(x)", "np.permute_dims(x)", "np.linalg.eigvalsh(x)", "np.take(x,2,axis=0)",
    "np.sort(x,axis=-1)", "np.argsort(x,axis=-1)", "np.diff(x,1,0)", "np.diff(x,n=2,axis=1)", "np.eye(3,dtype=float)@x",
    "x.copy(order='C')", "x.reshape((-1,),order='C')", "np.cumsum(x,0)", "np.array(x,copy=True)", "x.sum()", "x.sum(0)", "x.sum(-1)",
    "x.sum(axis=(0,1))", "x.mean(0)", "x.T", "x.ravel()", "np.full_like(x,2,dtype=int)", "np.arange(3,dtype=float)", "np.clip(x,0,None)",
    "np.clip(x,a_min=0.,a_max=1.)", "x.clip(min=0.)", "np.round(x)", "np.round(x,2)", "np.round(x*100,-1)", "np.around(x,1)",
    "sum([1.,2.],3.)", "np.moveaxis(x,0,1)", "np.eye(3,k=1)@x", "np.eye(3,4)", "np.diag(x,1)", "np.triu(x,-1)", "np.trace(x,1)",
    "np.einsum('ij,j->i',x,x[0])", "x.flatten()", "x.T.flatten()", "x.reshape(-1)", "x.reshape(3,-1)", "x.transpose()",
    "x.transpose(1,0)", "x.transpose((1,0,2))", "x.transpose(2,0,1)", "x.swapaxes(0,1)", "x.swapaxes(0,-1)", "x.max(0)", "x.cumsum()",
    "x.cumsum(0)", "x.prod()", "x.prod(0)", "x.dot(x)", "x.copy()", "x.clip(0,1)", "x[...,0]", "x[...,None]", "x[0]", "x[-1]", "x[:,1]",
    "x[1:,:2]", "x[::-1]", "x[...,::-1]", "x[[0,2]]", "x[:,[0,2]]", "x[[0,1],[1,2]]", "x[0,...]", "x[...,1,:]", "x[x>0]", "x[None]",
    "x[:,None]+x", "x@x", "x@x[0]", "x[0]@x", "x*x[0]", "x.min(axis=1)", "x.any()", "x.size*1.", "x.shape[0]*1.", "x.ndim*1.",
    "len(x)*1.", "sum(x)", "max(x.ravel())", "abs(x)", "-x", "x**2", "x.astype(np.float32)", "np.array([x[0],x[1]])", "np.array(x)",
    "np.array([x,x])", "np.asarray(x)+0", "np.array([[x[0].sum(),1.],[2.,3.]])", "[v.sum() for v in x][0]", "sum([v.sum() for v in x])",
    "np.sum([v.sum() for v in x])", "np.stack([v for v in x])", "np.array([v*2 for v in x])", "np.sum(x,0)[::-1]",
    "np.maximum(x,x[::-1])", "np.minimum(x,0)", "np.hypot(x,x)", "divmod(x,2.)[0]", "x//0.5", "x%0.5", "np.fmod(x,.5)", "np.mod(x,.5)",
    "np.remainder(x,.5)", "np.float_power(abs(x),1.5)",
]  # fmt: skip
REFUSALS = (sciad.SciadError, ValueError, IndexError, AssertionError)
ARRAYS = [np.random.default_rng(n).normal(size=(3,) * n) for n in (1, 2, 3)]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_value_or_refusal(expression):
    function = module(f"import numpy as np\n\n\ndef f(x):\n    return {expression}\n", f"shapes_{expression}").f
    taken = 0
    for x in ARRAYS:
        with interpreted():
            try:
                found = sciad.jit(function)(x.copy())
            except REFUSALS:
                continue
        expected = np.asarray(function(x.copy()), float)  # where NumPy raises, nothing may have been found
        assert np.shape(found) == expected.shape, x.ndim
        np.testing.assert_allclose(np.asarray(found, float), expected, rtol=1e-10, atol=1e-12)
        taken += 1
    assert taken > 0
