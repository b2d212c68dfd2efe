// Descriptions of parameters. SPDX: MIT OR Apache-2.0
using System;

namespace Radam
{
    /// <summary>A parameter to add. All its arrays but StateScale have the same length, and stay registered: a managed array
    /// is pinned until it is replaced, the parameter is removed or the optimizer is disposed.</summary>
    public sealed class Param
    {
        /// <summary>The elements. None: the parameter is unbound, for StepTensor; set Dtype and Length.</summary>
        public Tensor Data { get; set; }
        /// <summary>The gradient. None: steps skip the parameter.</summary>
        public Tensor Grad { get; set; }
        /// <summary>Unique in the optimizer; checkpoints identify parameters by it. null: "param." and the id.</summary>
        public string Name { get; set; }
        /// <summary>The type of the elements, if Data is none.</summary>
        public Dtype Dtype { get; set; }
        /// <summary>The type of the gradient, if Grad is none. Default: that of the elements.</summary>
        public Dtype GradDtype { get; set; }
        /// <summary>The number of elements, if Data is none.</summary>
        public long Length { get; set; }
        /// <summary>Receives the new values of an f32 or f64 parameter rounded to its own type, such as BFloat16.</summary>
        public Tensor Copy { get; set; }
        /// <summary>A state array of the caller, with zeros or the state of an earlier run. None: the library's.</summary>
        public Tensor ExpAvg { get; set; }
        /// <summary>As ExpAvg.</summary>
        public Tensor ExpAvgSq { get; set; }
        /// <summary>As ExpAvg, if KahanSum is on; of type short with MasterRemainder.</summary>
        public Tensor KahanComp { get; set; }
        /// <summary>As ExpAvg, with Dtype.Q8 and from a length of the whole tensor of 4096 on: of type uint, one for each
        /// block of 128 elements. ExpAvg is then of type sbyte, ExpAvgSq of byte, and KahanComp of that of Data.</summary>
        public Tensor StateScale { get; set; }
        /// <summary>Where this shard begins in the whole tensor; with Dtype.Q8 a multiple of 128.</summary>
        public long TensorOffset { get; set; }
        /// <summary>The length of the whole tensor. 0: this is not a shard.</summary>
        public long TensorLen { get; set; }

        internal Tensor[] Slots => new[] { Data, Grad, Copy, ExpAvg, ExpAvgSq, KahanComp, StateScale };

        internal unsafe radam_param Raw(Pinned[] slots, byte* name)
        {
            var shape = new Shape(this);
            radam_param raw;
            RadamException.Check(Native.radam_param_init(&raw, (uint)sizeof(radam_param)));
            raw.dtype = shape.Dtype;
            raw.grad_dtype = shape.GradDtype;
            raw.copy_dtype = Copy.Dtype;
            raw.len = (ulong)shape.Length;
            raw.data = slots[(int)Slot.Data].Address;
            raw.grad = slots[(int)Slot.Grad].Address;
            raw.copy = slots[(int)Slot.Copy].Address;
            raw.exp_avg = slots[(int)Slot.ExpAvg].Address;
            raw.exp_avg_sq = slots[(int)Slot.ExpAvgSq].Address;
            raw.kahan_comp = slots[(int)Slot.KahanComp].Address;
            raw.state_scale = slots[(int)Slot.StateScale].Address;
            raw.name = name;
            raw.tensor_offset = (ulong)TensorOffset;
            raw.tensor_len = (ulong)TensorLen;
            return raw;
        }

        /// <summary>What one of several parameters is called in sentences.</summary>
        internal static string Called(Param[] parameters, int index)
        {
            if (parameters[index].Name != null)
                return $"parameter \"{parameters[index].Name}\"";
            return parameters.Length == 1 ? "the parameter" : $"parameters[{index}]";
        }

        internal void CheckLengths(string called)
        {
            long length = new Shape(this).Length;
            if (length < 0)
                throw new RadamException(Status.InvalidArgument, $"Length is {length}; that of {called} must not be negative");
            if (TensorOffset < 0 || TensorLen < 0)
                throw new RadamException(Status.InvalidArgument,
                    $"TensorOffset is {TensorOffset} and TensorLen {TensorLen}; those of {called} must not be negative");
            Tensor[] slots = Slots;
            for (int i = 0; i < slots.Length; i++)
            {
                long right = (Slot)i == Slot.StateScale ? Elements.LengthOfState(State.StateScale, length) : length;
                if (!slots[i].IsNone && slots[i].Length != right)
                    throw Shape.WrongLength(((Slot)i).ToString(), slots[i], right, called);
            }
        }

        /// <summary>The state arrays must have the dtype of the state, which C cannot check.</summary>
        internal void CheckState(GroupOptions group, string called)
        {
            var shape = new Shape(this);
            if (shape.Dtype == Dtype.Q8 || shape.GradDtype == Dtype.Q8)
                throw new RadamException(Status.InvalidArgument, $"a dtype of {called} is {Elements.OnlyOfState}");
            Dtype state = group.StateDtype == Dtype.Default ? shape.Dtype : group.StateDtype, kahan = state;
            if (state == Dtype.Q8)
            {
                bool isSmall = (TensorLen > 0 ? TensorLen : shape.Length) < 4096; // then it is not coded
                state = isSmall ? Dtype.F32 : Dtype.Q8;
                kahan = isSmall ? Dtype.F32 : shape.Dtype;
            }
            if (group.MasterRemainder == true)
                kahan = Dtype.Default; // remainders are of type short
            CheckElement(Slot.ExpAvg, ExpAvg, Elements.OfState(State.ExpAvg, state), called);
            CheckElement(Slot.ExpAvgSq, ExpAvgSq, Elements.OfState(State.ExpAvgSq, state), called);
            CheckElement(Slot.KahanComp, KahanComp, kahan, called);
            CheckElement(Slot.StateScale, StateScale, Elements.UInt, called);
        }

        private static void CheckElement(Slot slot, in Tensor array, Dtype right, string called)
        {
            if (!array.IsNone && array.Element != right)
                throw Shape.WrongDtype(slot.ToString(), array.Element, right, called);
        }
    }

    /// <summary>What is registered of a parameter.</summary>
    public sealed unsafe class ParamInfo
    {
        private readonly radam_param raw;

        internal ParamInfo(radam_param raw, GroupId group)
        {
            this.raw = raw;
            Group = group;
        }

        /// <summary>Its group.</summary>
        public GroupId Group { get; }
        /// <summary>The type of its elements.</summary>
        public Dtype Dtype => raw.dtype;
        /// <summary>The type of its gradients.</summary>
        public Dtype GradDtype => raw.grad_dtype;
        /// <summary>The number of elements.</summary>
        public long Length => (long)raw.len;
        /// <summary>The address of the elements; zero if it is unbound.</summary>
        public IntPtr Data => (IntPtr)raw.data;
        /// <summary>The address of the gradient; zero if it has none.</summary>
        public IntPtr Grad => (IntPtr)raw.grad;
        /// <summary>Where it begins in the whole tensor.</summary>
        public long TensorOffset => (long)raw.tensor_offset;
        /// <summary>The length of the whole tensor; 0 if it is not a shard.</summary>
        public long TensorLen => (long)raw.tensor_len;
    }

    /// <summary>What arrays are held against, which C cannot do.</summary>
    internal readonly struct Shape
    {
        internal readonly Dtype Dtype, GradDtype;
        internal readonly long Length;

        internal Shape(Param param)
        {
            Dtype = param.Data.IsNone ? param.Dtype : param.Data.Dtype;
            GradDtype = !param.Grad.IsNone ? param.Grad.Dtype : param.GradDtype != Dtype.Default ? param.GradDtype : Dtype;
            Length = param.Data.IsNone ? param.Length : param.Data.Length;
        }

        internal void CheckData(in Tensor data, ParamId param) => Check("data", data, Dtype, param);

        internal void CheckGrad(in Tensor grad, ParamId param) => Check("grad", grad, GradDtype, param);

        private void Check(string name, in Tensor tensor, Dtype right, ParamId param)
        {
            if (tensor.IsNone)
                return;
            if (tensor.Element != right)
                throw WrongDtype(name, tensor.Element, right, $"parameter {param}");
            if (tensor.Length != Length)
                throw WrongLength(name, tensor, Length, $"parameter {param}");
        }

        internal static RadamException WrongDtype(string name, Dtype given, Dtype right, string called) =>
            new RadamException(Status.InvalidArgument,
                $"{name} is an array of {Elements.Name(given)}; that of {called} must be one of {Elements.Name(right)}");

        internal static RadamException WrongLength(string name, in Tensor given, long right, string called) =>
            new RadamException(Status.InvalidArgument,
                $"{name} has {given.Length} elements; that of {called} must have {right}");
    }

    /// <summary>The shapes of all parameters of an optimizer, by their ids, which are never used again. Any thread may
    /// look them up while one adds.</summary>
    internal sealed class Shapes
    {
        private volatile Shape[] shapes = new Shape[8];
        private volatile int count;

        internal int Count => count;

        internal void Add(Shape shape)
        {
            Shape[] grown = shapes;
            if (count == grown.Length)
            {
                grown = new Shape[2 * count];
                Array.Copy(shapes, grown, count);
            }
            grown[count] = shape;
            shapes = grown;
            count++; // now it can be found
        }

        internal Shape this[ParamId param]
        {
            get
            {
                if (param.Value >= (uint)count)
                    throw new RadamException(Status.InvalidArgument,
                        $"param is {param}; the optimizer has {count} parameters, and their ids begin at 0");
                return shapes[param.Value];
            }
        }
    }
}
